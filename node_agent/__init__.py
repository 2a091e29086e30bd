"""The node agent of Dal Segno: it runs tasks on a host and reports what came of them."""
