// array_library.cpp: a library that gives and takes arrays.
extern "C" int *give_array(int count) { return new int[count]; }
extern "C" void take_array(int *numbers) { delete[] numbers; }
