"""What `ringwall model` does: a model route's stack file, proposed and listed, and settings for its clients."""
