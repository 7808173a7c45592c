(function(){
"use strict";
// Fetches the same page and swaps the parts that change; stops while somebody reads a hidden tab,
// has text selected, or works in the page with the keyboard.
function busy(){var s=window.getSelection();return document.hidden||(s&&String(s).length>0)||document.activeElement!==document.body;}
function refresh(){
  if(busy()){return;}
  fetch("/",{cache:"no-store"}).then(function(r){return r.ok?r.text():Promise.reject();}).then(function(text){
    var fresh=new DOMParser().parseFromString(text,"text/html");
    var open=Array.prototype.map.call(document.querySelectorAll("details"),function(d){return d.open;});
    ["main","header"].forEach(function(tag){document.querySelector(tag).replaceWith(document.adoptNode(fresh.querySelector(tag)));});
    document.title=fresh.title;
    Array.prototype.forEach.call(document.querySelectorAll("details"),function(d,i){d.open=!!open[i];});
  }).catch(function(){});
}
function copy(event){
  var code=event.target;
  if(!code.classList||!code.classList.contains("copy")||!navigator.clipboard){return;}
  if(event.type==="keydown"&&event.key!=="Enter"){return;}
  navigator.clipboard.writeText(code.textContent);
}
document.addEventListener("click",copy);
document.addEventListener("keydown",copy);
setInterval(refresh,2000);
})();
