"""What programs share that train or run networks: the process, trained models, work that goes on after a kill."""
