"""Where everything is put together: command line, settings, windows."""
