"""Text -> shared object. Here, and only here, files are written and programs are started."""
