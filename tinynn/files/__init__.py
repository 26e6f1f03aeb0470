"""Files of models and of trainings: written whole or not at all, and read with suspicion."""
