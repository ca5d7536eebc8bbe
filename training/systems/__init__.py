"""The systems of the zoo as the training loop sees them: one file each, a recipe's fields and a step."""
