"""Real processes, real servers, real kill -9: one scenario a promise."""
