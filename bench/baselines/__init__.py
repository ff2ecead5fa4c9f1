"""What Headgate is compared with: each as a careful engineer would write it without Headgate's machinery."""
