"""The methods, one a file: a function of its name, `parameters` and `deidentify`; pfgvm/methods.py lists them."""
