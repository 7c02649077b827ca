"""The catalogue: every network that can be used here, bundled, added by the user, or to be fetched."""

from scenescope.models.catalogue.catalogue import Catalogue, current, use

__all__ = ["Catalogue", "current", "use"]
