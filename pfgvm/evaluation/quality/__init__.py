"""How good an image still looks beside its original."""
