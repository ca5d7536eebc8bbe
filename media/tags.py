"""Numbers of the EXIF and TIFF tags that the reader and the encoders use."""

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
PHOTOMETRIC = 262
SOFTWARE, XMP = 305, 700
EXIF_IFD, GPS_IFD = 34665, 34853
COLOR_SPACE, PIXEL_WIDTH, PIXEL_HEIGHT = 40961, 40962, 40963

STORAGE = {
    *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 296, 301, 317, 318, 319),
    *(320, 321, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532),
    *(700, 33723, 34377, 34675),
}
"""Tags of the first directory that describe how a TIFF stores its pixels, not the photograph.

The resolution is among them, since it is carried as Photograph.dpi. 700 is XMP, 33723 IPTC, 34377 Photoshop's, 34675
the ICC profile.
"""
