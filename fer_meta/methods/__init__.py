"""One file a method; its name is the method's name."""
