"""How good a picture still looks beside its original."""
