"""What programs share that make adversarial sets or read them."""
