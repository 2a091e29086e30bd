"""Everything on this machine: `dalsegno dev`, `try`, `demo` and `new`."""
