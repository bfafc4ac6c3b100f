// Streams and events. Work is queued and, unless the setting says otherwise, runs only when something waits for it, and then no more of
// it than has to: so a wait that was forgotten shows as work that has not been done. A query runs one piece of work and says whether
// there is more. What does not depend on each other runs in the reverse of the order in which it might be expected to.
//
// The default stream waits for all work that was queued before in streams that are not non-blocking, and they for it.
#pragma once
#include "abi.h"
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace simulator {

struct Stream;

// Done once the stream has done so many pieces of work.
struct Point {
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;
};

struct Work {
  std::function<Result()> run;
  std::vector<Point> after;
};

struct Stream {
  bool isDefault, blocking;
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;
};

// What an event was recorded as: a later recording makes another.
struct Recording {
  Point point;
  double milliseconds = 0; // When the stream came there.
};

struct Event {
  bool timed;
  std::shared_ptr<Recording> recording; // Null before the first.
};

class Streams {
public:
  Streams();
  std::shared_ptr<Stream> find(void *handle) const; // Null where there is none.
  Stream *create(bool blocking);
  Result destroy(void *handle);
  size_t count() const { return streams_.size() - 1; }

  void queue(const std::shared_ptr<Stream> &stream, std::function<Result()> run, std::vector<Point> after = {});
  bool isDone(const Point &point) const { return point.stream->done >= point.position; }
  // What the first work to fail gave: nothing runs after it.
  Result failed() const { return failed_; }
  // Runs what has to run. These give the result code of work that fails.
  Result wait(const Point &point);
  Result wait(const std::shared_ptr<Stream> &stream) { return wait({stream, stream->queued}); }
  Result waitForAll();
  // One piece of work towards the point; NOT_READY where it was not reached before.
  Result query(const Point &point);
  void record(Event &event, const std::shared_ptr<Stream> &stream);

private:
  Result failed_ = SUCCESS;
  std::vector<std::shared_ptr<Stream>> streams_; // The default stream, and the others as they were created.

  Result runNext(Stream &stream);
  void discardAll(Result result);
  void waitForOthers(const Stream &stream, std::vector<Point> &after) const;
};

} // namespace simulator
