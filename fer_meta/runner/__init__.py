"""What a suite asks for, done once and kept on disk."""
