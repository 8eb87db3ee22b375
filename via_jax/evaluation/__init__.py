"""What a pre-trained encoder is judged by."""
