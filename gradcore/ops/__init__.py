"""The operations: one block each. The files are the chapters; ``gradcore`` exports their functions."""
