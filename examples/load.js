// A load for k6 (https://k6.io): k6 run examples/load.js
// Fails if an answer is not 201, or if one in a hundred takes longer than half a second.
import http from 'k6/http';
import { check } from 'k6';

const gateway = __ENV.GATEWAY || 'http://127.0.0.1:8000';

export const options = {
  vus: 32,
  duration: '15s',
  thresholds: {
    checks: ['rate==1'],
    http_req_duration: ['p(99)<500'],
  },
};

export default function () {
  const body = JSON.stringify({
    user_name: `user-${__VU}`,
    description: `Application ${__ITER} of virtual user ${__VU}`,
  });
  const answer = http.post(`${gateway}/applications`, body, { headers: { 'Content-Type': 'application/json' } });
  check(answer, { 'is created': (r) => r.status === 201 });
}
