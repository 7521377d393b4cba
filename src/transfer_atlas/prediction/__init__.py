"""What a trained model says of pictures: answers in their own pixels, drawings, files, and exported networks."""
