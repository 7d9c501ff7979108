"""One photograph: its faces are found, de-identified by an attack, and looked at again. For tools alone."""
