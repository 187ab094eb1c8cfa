"""What people do with a face that was reconstructed: pictures of photographs and faces, one idea a file."""
