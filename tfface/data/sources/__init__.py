"""Pictures from elsewhere: other people's data sets, and photographs."""
