/*
 * What <winsock.h> of Windows declares is part of <winsock2.h>. Which version's rules hold is a matter
 * of what WSAStartup is asked for.
 */
#include "winsock2.h"
