"""``python -m scenescope.app``: the same as the command ``scenescope``."""

from scenescope.app.cli import main

if __name__ == "__main__":
    main()
