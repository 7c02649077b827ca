"""Where pictures come from: the demo camera, video files, images, webcams and stream addresses."""
