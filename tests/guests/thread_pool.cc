// R05: a pool of eight threads takes 300 jobs that compute, wait and make more jobs.
//! link: threads
#include <deque>

#include "thread_guest.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, idle = PTHREAD_COND_INITIALIZER;
static std::deque<int> jobs;
static int unfinished;
static bool closed;
static uint64_t results[400];
static int done_by[8];

static void Add(int job) {
  pthread_mutex_lock(&mutex);
  jobs.push_back(job);
  ++unfinished;
  pthread_cond_signal(&work);
  pthread_mutex_unlock(&mutex);
}

static void Worker(int self) {
  for (;;) {
    pthread_mutex_lock(&mutex);
    while (jobs.empty() && !closed) pthread_cond_wait(&work, &mutex);
    if (jobs.empty()) {
      pthread_mutex_unlock(&mutex);
      return;
    }
    int job = jobs.front();
    jobs.pop_front();
    pthread_mutex_unlock(&mutex);
    std::string text = Pattern(500 + job % 7 * 300, job);
    results[job] = Digest(text.data(), text.size());
    ++done_by[self];
    if (job % 25 == 0) usleep(500);
    if (job < 100) Add(300 + job);
    pthread_mutex_lock(&mutex);
    if (--unfinished == 0) pthread_cond_broadcast(&idle);
    pthread_mutex_unlock(&mutex);
  }
}

int main() {
  std::vector<std::unique_ptr<Thread>> pool;
  for (int i = 0; i < 8; ++i) pool.push_back(std::make_unique<Thread>([i] { Worker(i); }));
  for (int i = 0; i < 300; ++i) Add(i);
  pthread_mutex_lock(&mutex);
  while (unfinished > 0) pthread_cond_wait(&idle, &mutex);
  closed = true;
  pthread_cond_broadcast(&work);
  pthread_mutex_unlock(&mutex);
  pool.clear();
  Say("results %016lx", static_cast<unsigned long>(Digest(results, sizeof(results))));
  for (int done : done_by) Vary("did %d", done);
}
