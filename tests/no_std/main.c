/* Runs what the library without std exports; the exit status is the step that failed. */
int tapsock_no_std(void);

int main(void) {
    return tapsock_no_std();
}
