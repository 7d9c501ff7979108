"""Visual quality of an image compared with its original."""
