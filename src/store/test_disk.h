// SQLite's own file layer for tests: its Nth write or fsync fails, or the process is killed within its Nth write; and
// it remembers what was synced, which is what a power cut leaves. One at a time.

#pragma once

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "store/test_state.h"

namespace hale::store {

class TestDisk {
public:
    // Counted from now on; negative: never.
    static inline std::atomic<int> writes_left{-1}, syncs_left{-1}, writes_to_live{-1};

    TestDisk() {
        sqlite3_vfs* unix_vfs = sqlite3_vfs_find("unix");
        vfs = *unix_vfs;
        vfs.zName = "test";
        real_open = unix_vfs->xOpen;
        vfs.xOpen = open_file;
        sqlite3_vfs_register(&vfs, 1);
    }
    ~TestDisk() {
        sqlite3_vfs_unregister(&vfs);
        sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
        writes_left = syncs_left = writes_to_live = -1;
        const std::lock_guard guard(mutex);
        names.clear();
        kept.clear();
    }
    TestDisk(const TestDisk&) = delete;

    // The file's content as of its last fsync; "" when there was none.
    static std::string synced(const std::string& path) {
        const std::lock_guard guard(mutex);
        return kept[path];
    }

private:
    static bool reached(std::atomic<int>& left) { return left >= 0 && left-- == 0; }

    static int write_file_part(sqlite3_file* file, const void* data, int n, sqlite3_int64 at) {
        if (reached(writes_left)) return SQLITE_FULL;
        if (reached(writes_to_live)) {
            real->xWrite(file, data, n / 2, at);
            ::kill(::getpid(), SIGKILL);
        }
        return real->xWrite(file, data, n, at);
    }
    static int sync_file(sqlite3_file* file, int how) {
        if (reached(syncs_left)) return SQLITE_IOERR_FSYNC;
        const int code = real->xSync(file, how);
        const std::lock_guard guard(mutex);
        kept[names[file]] = content_of(names[file]);
        return code;
    }
    static int open_file(sqlite3_vfs* v, const char* name, sqlite3_file* file, int flags, int* out) {
        const int code = real_open(v, name, file, flags, out);
        if (code != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) return code;
        const std::lock_guard guard(mutex);
        names[file] = name;
        real = file->pMethods;
        sqlite3_io_methods& own = methods[(flags & SQLITE_OPEN_WAL) != 0];
        own = *real;
        own.xWrite = write_file_part;
        own.xSync = sync_file;
        file->pMethods = &own;
        return code;
    }

    static inline const sqlite3_io_methods* real = nullptr;
    static inline sqlite3_io_methods methods[2];  // The state file's and its log's: they lock differently.
    static inline sqlite3_vfs vfs;
    static inline int (*real_open)(sqlite3_vfs*, const char*, sqlite3_file*, int, int*) = nullptr;
    static inline std::mutex mutex;  // Guards the two below: the store's thread fills them, the test's reads.
    static inline std::map<sqlite3_file*, std::string> names;
    static inline std::map<std::string, std::string> kept;
};

}  // namespace hale::store
