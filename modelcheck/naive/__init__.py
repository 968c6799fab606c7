"""A second machine, slow and plain, that shares nothing with the rest of the package.

It reads a protocol as JSON, follows docs/semantics.md, and knows no other part.
"""
