"""What one can ask about a protocol: a subject in, an answer out. Knows all above it, no views."""
