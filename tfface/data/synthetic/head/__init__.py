"""What a synthetic person is made of: skin, hair, what lies in the mouth, what is worn."""
