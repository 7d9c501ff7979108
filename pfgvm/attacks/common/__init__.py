"""What the methods share: the gradient, the checks of arguments, the choice of targets, a method's description."""
