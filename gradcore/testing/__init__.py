"""Tools for testing operations: inputs for every registered one."""
