"""The engine's arrays: text to tokens to windows to entities. Neither torch nor Spark."""
