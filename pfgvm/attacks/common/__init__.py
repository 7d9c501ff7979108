"""Shared code of the methods: gradients, argument checks, target selection and the method context."""
