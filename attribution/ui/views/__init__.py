"""Views: (filters, generation) -> View, pure and cached by generation."""
