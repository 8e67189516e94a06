"""What tests share: made-up faces, folders of images, small benches, stored results."""
