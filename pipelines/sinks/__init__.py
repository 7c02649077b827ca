"""Where finished frames go: result files and annotated video."""
