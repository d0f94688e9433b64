"""Operations of neural networks, imported on demand by ``gradcore.nn.functional`` and by name."""
