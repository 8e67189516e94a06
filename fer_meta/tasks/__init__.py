"""From an index of images to learn2learn tasks: protocol, pools of images, episodes."""
