/* Two libraries of one header each, as a program takes them in: pictures read, fonts drawn. */
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>
