// Placeholder so that the library exists before its first source file.
