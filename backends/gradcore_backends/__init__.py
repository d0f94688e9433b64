"""The backends that come with gradcore: one module per array library, none of which imports gradcore."""
