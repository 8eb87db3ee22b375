"""How fast the models train and encode here: beside PyTorch, and beside what the machine can do."""
