"""`dalsegno replay`, `why`, `diff`, `timeline` and `dap`: looking back."""
