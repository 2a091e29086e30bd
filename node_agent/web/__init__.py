"""Built-in: `http.request`. What is asked and what an answer means is decided here, without IO."""
