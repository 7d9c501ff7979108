"""The methods, one per file: a function of that name, `parameters` and `deidentify`; listed in pfgvm/methods.py."""
